//! Programs that break rules, and the messages.

use super::*;
use crate::loops::print::tests::sample;

#[test]
fn a_good_program_passes() {
    assert_eq!(verify(&sample(), Stage::FRESH), Ok(()));
}

#[test]
fn every_violation_is_listed_under_its_line() {
    let mut b = FuncBuilder::new("f");
    let x = b.param_buf("x", DType::F32, false);
    let n = b.param("n", DType::I32);
    let v = b.load(x, n, 3, None);
    b.store(x, n, v, None);
    b.stmt(Stmt::Break);
    let mut p = Program { name: "p".into(), ..Program::default() };
    p.funcs.push(b.finish());
    let text = verify(&p, Stage::FRESH).expect_err("four rules are broken").to_string();
    for line in
        ["the offset %n is i32, not i64", "impossible type v3f32", "%x must not be written", "break outside of a loop"]
    {
        assert!(text.contains(line), "{text}");
    }
}
