//! Texts in and out; and results that are the same for any team.

use super::outline;
use onnxc_base::EntityRef;
use onnxc_ir::loops::interp::{ArgVal, Interp};
use onnxc_ir::loops::parse::parse_program;
use onnxc_ir::loops::verify::{Stage, verify};
use onnxc_ir::loops::{FuncId, Program, Scalar};

/// A loop that reads what is outside of it in every way that can be passed, and writes through the thread's scratch.
const KERNEL: &str = "program @t
const $c: f32[4] = [1.0, 2.0, 3.0, 4.0]
func @k(%n: i64, %x: const f32*, %y: f32*, %scratch: f32*) {
  buf %c: f32* = const $c
  buf %own: f32* = stack 4
  buf %both: f32* = stack 1
  var %s: f32
  %three = add 1, 2 : i64
  %wide = splat 0.5 : v4f32
  store %both[0] = 2.0
  %scale = load %both[0] : f32
  parallel for %i in 0..%n {
    %t = thread_id : i64
    %at = mul %i, 4 : i64
    %mine = mul %t, 4 : i64
    %v = load %x[%at] : v4f32
    %w = load %c[0] : v4f32
    %p = mul %v, %w : v4f32
    %q = add %p, %wide : v4f32
    store %scratch[%mine] = %q
    store %own[0] = %scale
    %b = load %both[0] : f32
    for %j in 0..%three {
      %place = add %mine, %j : i64
      %e = load %scratch[%place] : f32
      %f = load %own[0] : f32
      %g = mul %e, %f : f32
      set %s = %g
      %h = get %s : f32
      %to = add %at, %j : i64
      store %y[%to] = %h
    }
    %last = add %at, 3 : i64
    store %y[%last] = %b
  }
}
";

/// Memory of the function's own, shared by the loop and what is after it.
const LOCAL: &str = "program @t
func @k(%n: i64, %y: i64*) {
  alloc %a: i64* = workspace[16]
  parallel for %i in 0..%n {
    %twice = add %i, %i : i64
    store %a[%i] = %twice
  }
  for %j in 0..%n {
    %v = load %a[%j] : i64
    store %y[%j] = %v
  }
}
";

/// A loop of steps that begins elsewhere.
const STEPS: &str = "program @t
func @k(%n: i64, %y: i64*) {
  parallel for %i in 3..%n step 5 {
    %t = thread_id : i64
    store %y[%i] = %i
  }
}
";

fn outlined(text: &str) -> Program {
    let mut p = parse_program(text, None).expect("it parses");
    verify(&p, Stage::FRESH).expect("it is right before");
    outline(&mut p, 4);
    verify(&p, Stage::FRESH).unwrap_or_else(|e| panic!("{e}\n{p}"));
    p
}

#[test]
fn loops_become_functions() {
    let text = outlined(KERNEL).to_string();
    // Constants and what follows from them are known in the part; what was loaded is passed.
    assert!(text.contains("fork @k_part0(%n, %x, %scratch, %scale, %both, %y) over %n team %team"), "{text}");
    assert!(outlined(LOCAL).to_string().contains("fork @k_part0(%n, %a) over %n team %team"));
    let text = outlined(STEPS).to_string();
    assert!(text.contains("func @k_part0(%from: i64, %to: i64, %thread: i64,") && !text.contains("parallel"), "{text}");
}

/// The function's results with a team, run in either direction.
fn results(p: &Program, args: &[ArgVal], team: i64, backwards: bool) -> Vec<ArgVal> {
    let mut args = args.to_vec();
    let mut interp = Interp::new(p);
    interp.parallel_backwards(backwards);
    let id = p.funcs.keys().next_back().unwrap_or(FuncId::new(0));
    if p.funcs[id].params.len() > args.len() {
        args.push(ArgVal::Scalar(Scalar::i64(team)));
    }
    interp.call(id, &mut args).expect("it runs");
    args
}

#[test]
fn any_team_gives_the_same() {
    let x: Vec<f32> = (0..40).map(|i| i as f32).collect();
    let float = |n| ArgVal::buf(&vec![0f32; n]);
    let cases = [
        (KERNEL, vec![ArgVal::Scalar(Scalar::i64(10)), ArgVal::buf(&x), float(40), float(16)], 2),
        (STEPS, vec![ArgVal::Scalar(Scalar::i64(29)), ArgVal::buf(&[0i64; 29])], 1),
        (LOCAL, vec![ArgVal::Scalar(Scalar::i64(9)), ArgVal::buf(&[0i64; 9])], 1),
    ];
    for (text, args, output) in cases {
        let before = parse_program(text, None).expect("it parses");
        let want = results(&before, &args, 1, false)[output].clone();
        let p = outlined(text);
        for team in 1..=4 {
            for backwards in [false, true] {
                assert_eq!(results(&p, &args, team, backwards)[output], want, "a team of {team}");
            }
        }
    }
}

#[test]
fn what_cannot_be_passed_stays_a_loop() {
    let text = "program @t
func @k(%n: i64, %y: f32*) {
  view %v: f32* = %y at byte 4
  parallel for %i in 0..%n { store %v[%i] = 1.0 }
}
";
    assert!(outlined(text).to_string().contains("parallel for"));
}

#[test]
fn what_is_fetched_ahead_is_passed() {
    let text = "program @t
func @k(%n: i64, %x: const f32*, %y: f32*) {
  parallel for %i in 0..%n {
    prefetch %x[%i]
    %v = load %y[%i] : f32
    store %y[%i] = %v
  }
}
";
    let text = outlined(text).to_string();
    assert!(text.contains("prefetch %x["), "{text}");
}
