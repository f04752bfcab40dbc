//! The command line of onnxc.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let options = onnxc::Options::default();
    let result = onnxc::Source::open(args[1].as_ref(), &options)
        .and_then(|s| onnxc::compile(&s, &options))
        .and_then(|m| {
            println!("{}", m.program);
            m.write(args[2].as_ref(), &options)
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(d) => {
            eprintln!("{d}");
            ExitCode::from(1)
        }
    }
}
