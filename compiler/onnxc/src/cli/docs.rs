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
