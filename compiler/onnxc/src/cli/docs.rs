//! `onnxc completions` and `onnxc man`: both from the arguments themselves.

use super::args::Cli;
use super::exit::Failure;
use super::style;
use clap::CommandFactory;
use clap::error::ErrorKind;

/// The script for a shell.
///
/// # Errors
/// If it can't be printed.
pub fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "onnxc", &mut text);
    style::out(&String::from_utf8_lossy(&text))?;
    Ok(())
}

/// The manual page, of one command if that is named.
///
/// # Errors
/// An unknown command, or if it can't be printed.
pub fn man(name: Option<&str>) -> Result<(), Failure> {
    let mut all = Cli::command();
    all.build();
    let command = match name {
        None => all,
        Some(n) => match all.find_subcommand(n) {
            Some(c) => c.clone(),
            None => {
                return Err(Failure::Usage(
                    all.error(ErrorKind::InvalidSubcommand, format!("there is no command '{n}'")),
                ));
            }
        },
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text)?;
    style::out(&String::from_utf8_lossy(&text))?;
    Ok(())
}

/// True if the arguments ask for the processors instead of a compilation: `--target-cpu list`.
pub fn wants_processors(args: &[std::ffi::OsString]) -> bool {
    let pair = args.windows(2).any(|w| w[0] == "--target-cpu" && w[1] == "list");
    pair || args.iter().any(|a| a == "--target-cpu=list")
}

/// `--target-cpu list`: every processor that can be named.
///
/// # Errors
/// If it can't be printed.
pub fn processors() -> Result<(), Failure> {
    let lines: String = onnxc_codegen::target::processors().map(|(arch, name)| format!("{arch}  {name}\n")).collect();
    style::out(&format!("native  (the machine that onnxc runs on)\n{lines}"))?;
    Ok(())
}
