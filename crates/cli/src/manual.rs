//! `completions` and `manual`, made from the definitions of the command line.

use std::io::{self, Write};

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;

pub fn completions(shell: Shell) -> Result<bool> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "monthly-visitors", &mut text);
    io::stdout().write_all(&text)?;
    Ok(true)
}

/// One page: the program, then each command with its options.
pub fn manual() -> Result<bool> {
    let mut text = Vec::new();
    let mut program = Args::command();
    program.build();
    let page = clap_mangen::Man::new(program.clone());
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    for command in program
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
    {
        let name = command.get_name().to_uppercase();
        writeln!(text, ".SH \"COMMAND {name}\"")?;
        let page = clap_mangen::Man::new(command.clone());
        let mut part = Vec::new();
        page.render_synopsis_section(&mut part)?;
        page.render_description_section(&mut part)?;
        if command
            .get_opts()
            .chain(command.get_positionals())
            .any(|arg| !arg.is_global_set())
        {
            let own = command.clone().mut_args(|arg| {
                let global = arg.is_global_set();
                arg.hide(global)
            });
            clap_mangen::Man::new(own).render_options_section(&mut part)?;
        }
        // Sections of a command are subsections of the page, whose first lines
        // are there already.
        let part = String::from_utf8_lossy(&part).replace(".SH ", ".SS ");
        for line in part
            .lines()
            .filter(|line| !line.starts_with(".ie ") && !line.starts_with(".el "))
        {
            writeln!(text, "{line}")?;
        }
    }
    page.render_extra_section(&mut text)?;
    io::stdout().write_all(&text)?;
    Ok(true)
}
