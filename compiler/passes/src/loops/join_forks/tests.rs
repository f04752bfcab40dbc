//! Which forks are joined, and that results are those of before when another thread is ahead with all of its parts.

use super::super::outline_parallel::outline;
use super::footprint::footprint;
use super::join;
use onnxc_ir::loops::Program;
use onnxc_ir::loops::interp::{ArgVal, Interp};
use onnxc_ir::loops::parse::parse_program;
use onnxc_ir::loops::verify::{Stage, verify};

/// A kernel of two shares, each of eight elements: the results at `to` follow from what is at `from`.
fn kernel(name: &str, from: &str, to: &str) -> String {
    format!(
        "func @{name}(%x: const f32*, %y: f32*) {{
  parallel for %k in 0..2 {{
    %first = mul %k, 8 : i64
    %end = add %first, 8 : i64
    for %i in %first..%end {{
      {from}
      %w = add %v, 1.0 : f32
      {to}
    }}
  }}
}}
"
    )
}

/// The program whose entry has that body, outlined, and with forks joined.
fn joined(kernels: &[String], body: &str) -> (Program, Program) {
    let entry = format!(
        "export func @t_run(%x: const f32*, %y: f32*, %z: f32*) -> i32 {{\n{body}%s = cast 0 : i32\nreturn %s\n}}\n"
    );
    let text = format!("program @t\n{}{entry}", kernels.concat());
    let mut p = parse_program(&text, None).unwrap_or_else(|e| panic!("{e}\n{text}"));
    p.interface.entries.run = p.funcs.keys().next_back();
    outline(&mut p, 2);
    let before = p.clone();
    join(&mut p);
    verify(&p, Stage::FRESH).unwrap_or_else(|e| panic!("{e}\n{p}"));
    (before, p)
}

fn forks(p: &Program) -> usize {
    p.to_string().matches("  fork @").count()
}

/// What the entry leaves in its last two parameters, where the second thread runs first.
fn results(p: &Program) -> Vec<ArgVal> {
    let x: Vec<f32> = (0..32).map(|i| (i * i) as f32).collect();
    let mut args = vec![ArgVal::buf(&x), ArgVal::buf(&[0f32; 32]), ArgVal::buf(&[0f32; 32])];
    let mut interp = Interp::new(p);
    interp.parallel_backwards(true);
    interp.threads(2);
    interp.call(p.interface.entries.run.expect("an entry"), &mut args).expect("it runs");
    args.split_off(1)
}

const SAME: &str = "%v = load %x[%i] : f32";
const NEXT: &str = "%j = add %i, 1 : i64\n      %v = load %x[%j] : f32";
const STORE: &str = "store %y[%i] = %w";

#[test]
fn threads_go_on_with_what_they_made_themselves() {
    let kernels = [kernel("a", SAME, STORE), kernel("b", "%v = load %x[%i] : f32", STORE)];
    let (before, p) = joined(&kernels, "call @a(%x, %y)\ncall @b(%y, %z)\n");
    assert_eq!((forks(&before), forks(&p)), (2, 1), "{p}");
    assert_eq!(results(&p), results(&before));
    let text = p.to_string();
    assert!(text.contains("fork @a_part0_and_1(%x, %y, %z) over 2 team %"), "a buffer is passed once\n{text}");
    assert!(!text.contains("func @a("), "nobody calls it any more\n{text}");
}

#[test]
fn a_neighbours_result_is_waited_for() {
    let kernels = [kernel("a", SAME, STORE), kernel("b", NEXT, STORE)];
    let (before, p) = joined(&kernels, "call @a(%x, %y)\ncall @b(%y, %z)\n");
    assert_eq!(p.to_string(), before.to_string());
    // Nor is what a neighbour still reads written over.
    let (before, p) = joined(&kernels, "call @b(%x, %y)\ncall @a(%y, %z)\ncall @b(%z, %y)\n");
    assert_eq!(forks(&p), forks(&before));
    let kernels = [kernel("b", NEXT, STORE), kernel("a", SAME, STORE)];
    let (before, p) = joined(&kernels, "call @a(%x, %z)\ncall @b(%z, %y)\ncall @a(%x, %z)\n");
    assert_eq!(results(&p), results(&before));
}

#[test]
fn an_offset_that_data_decide_may_be_anywhere() {
    let pick = "%p = load %x[%i] : f32\n      %j = cast %p : i64\n      %v = load %x[%j] : f32";
    let kernels = [kernel("a", SAME, STORE), kernel("b", pick, STORE)];
    let (before, p) = joined(&kernels, "call @a(%x, %y)\ncall @b(%y, %z)\n");
    assert_eq!(p.to_string(), before.to_string());
    // What nobody writes may be read anywhere.
    let (before, p) = joined(&kernels, "call @b(%x, %y)\ncall @a(%y, %z)\n");
    assert_eq!(forks(&p), forks(&before) - 1, "{p}");
}

#[test]
fn what_is_about_other_memory_goes_first() {
    let fill = "func @fill(%y: f32*) {\n  store %y[31] = 7.0\n}\n".to_string();
    let kernels = [fill, kernel("a", SAME, STORE)];
    let (before, p) = joined(&kernels, "call @a(%x, %y)\ncall @fill(%z)\ncall @a(%y, %z)\n");
    assert_eq!(forks(&p), 1, "{p}");
    assert_eq!(results(&p), results(&before));
    let (before, p) = joined(&kernels, "call @a(%x, %y)\ncall @fill(%y)\ncall @a(%y, %z)\n");
    assert_eq!(p.to_string(), before.to_string());
}

#[test]
fn shares_are_counted_at_compile_time() {
    let a = kernel("a", SAME, STORE);
    let other = a.replace("@a(", "@b(").replace("0..2", "0..1");
    let (before, p) = joined(&[a, other], "call @a(%x, %y)\ncall @b(%y, %z)\n");
    assert_eq!(p.to_string(), before.to_string());
}

#[test]
fn a_footprint_holds_every_access() {
    let text = "program @t
func @k(%from: i64, %x: const f32*, %y: f32*) {
  for %i in %from..10 {
    %r = floormod %i, 4 : i64
    %v = load %x[%r] : v4f32
    %at = mul %i, 4 : i64
    %c = cmp lt %i, 5 : i64
    if %c { store %y[%at] = %v }
  }
}
";
    let p = parse_program(text, None).expect("it parses");
    let f = p.funcs.values().next().expect("a function");
    let found = footprint(f, &[Some((2, 2))]).expect("nothing is called");
    assert_eq!(found.reads.into_iter().collect::<Vec<_>>(), [(1, (0, 27))]);
    assert_eq!(found.writes.into_iter().collect::<Vec<_>>(), [(2, (32, 159))]);
}
