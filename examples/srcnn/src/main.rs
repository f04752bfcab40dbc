//! Upscales a picture three times with the compiled SRCNN model, and compares it with a reference if there is one.
//!
//!     upscale MODULE.so IN.png OUT.png [REFERENCE.png]

mod picture;

use onnxc_base::Tensor;
use onnxc_codegen::loader::Module;
use picture::{bicubic, psnr, read, write};
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [module, from, to, reference @ ..] = &args[..] else {
        eprintln!("usage: upscale MODULE.so IN.png OUT.png [REFERENCE.png]");
        return ExitCode::from(2);
    };
    match upscale(module, from, to, reference.first()) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn upscale(module: &str, from: &str, to: &str, reference: Option<&String>) -> Result<String, Box<dyn Error>> {
    let module = Module::open(Path::new(module))?;
    let small = read(from)?;
    let outputs = module.run(std::slice::from_ref(&small))?;
    let large = outputs.first().ok_or("the module has no output")?;
    write(to, large)?;
    let size = |t: &Tensor| format!("{}x{}", t.shape()[3], t.shape()[2]);
    let mut said = format!("{from} {} -> {to} {}", size(&small), size(large));
    if let Some(reference) = reference {
        let truth = read(reference)?;
        let (plain, net) = (psnr(&bicubic(&small, 3), &truth)?, psnr(large, &truth)?);
        said += &format!("\n  PSNR against {reference}: bicubic {plain:.2} dB, SRCNN {net:.2} dB");
    }
    Ok(said)
}
