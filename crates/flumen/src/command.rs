//! What each subcommand does: the configuration is loaded, told about, and handed on.

use std::io::{self, IsTerminal, Write};

use clap::{ColorChoice, CommandFactory};
use clap_complete::Shell;
use flumen_engine::{Placement, Sharing, Threads};

#[cfg(target_os = "linux")]
use crate::cli::{Capture, Serve};
use crate::cli::{Check, Cli, Command, ConfigSource, FlowOptions, Read, Talk};
use crate::config::keys;
use crate::config::section::Section;
use crate::config::value::Value;
use crate::config::{Config, Problem, Problems, Source};
use crate::ctl;
use crate::exit::Exit;
use crate::filter::Expression;
#[cfg(target_os = "linux")]
use crate::live::{self, CaptureJob, LiveOutput};
use crate::run::{self, Job, Output};
#[cfg(target_os = "linux")]
use crate::serve::{self, ServeJob};

/// Does what the command line says.
///
/// # Errors
/// What keeps it from being done; [`Exit::of_error`] tells which exit code that is.
pub fn execute(cli: Cli) -> anyhow::Result<Exit> {
    match cli.command {
        Command::Read(options) => read(*options, cli.talk),
        #[cfg(target_os = "linux")]
        Command::Capture(options) => capture(*options, cli.talk),
        #[cfg(target_os = "linux")]
        Command::Keeper => live::keeper::run(),
        Command::Serve(options) => serve(*options, cli.talk),
        Command::Check(options) => check(&options, cli.talk),
        Command::Config(source) => print(&source, cli.talk),
        Command::Ctl(options) => ctl::ctl(&options),
        Command::Completions { shell } => completions(shell),
    }
}

/// `flumen read`.
fn read(options: Read, talk: Talk) -> anyhow::Result<Exit> {
    let mut inputs = options.files;
    let filter = match (&options.filter, &options.filter_file) {
        (None, None) if options.words.is_empty() => Expression::behind(&mut inputs)?,
        (text, file) => Expression::given(&options.words, text.as_deref(), file.as_deref())?,
    };
    let source = options.source.with(&options.flow);
    let config = load(&source, talk)?;
    if talk.verbose > 0 {
        tell_ignored(&config, &mut io::stderr())?;
    }
    let output = match options.log_dir {
        Some(directory) => {
            refuse_sockets(&config)?;
            Output::Directory(directory)
        }
        None if options.json => Output::Json,
        None => Output::Summary,
    };
    let color = match talk.color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
    };
    run::read(&Job {
        inputs,
        output,
        audit: options.audit,
        progress: !options.no_progress && !talk.quiet,
        color,
        verbosity: (!talk.quiet).then_some(talk.verbose),
        filter,
        settings: config.settings,
    })
}

/// `flumen capture`.
#[cfg(target_os = "linux")]
fn capture(options: Capture, talk: Talk) -> anyhow::Result<Exit> {
    let filter = Expression::given(&options.words, None, options.filter_file.as_deref())?;
    let source = options.source.with(&options.flow);
    let config = load(&source, talk)?;
    if talk.verbose > 0 {
        tell_ignored(&config, &mut io::stderr())?;
    }
    let output = match options.log_dir {
        Some(directory) => LiveOutput::Directory(directory),
        None if options.json => LiveOutput::Json,
        None => LiveOutput::Directory(config.settings.log_dir.clone()),
    };
    live::capture(&CaptureJob {
        interfaces: options.interfaces,
        filter: filter.map_or_else(String::new, |filter| filter.text().to_owned()),
        output,
        audit: options.audit,
        talks: !talk.quiet,
        settings: config.settings,
        values: config.values,
        files: config.files,
        source,
    })
}

/// `flumen serve`.
#[cfg(target_os = "linux")]
fn serve(options: Serve, talk: Talk) -> anyhow::Result<Exit> {
    let source = options.source.with(&options.flow);
    let config = load(&source, talk)?;
    refuse_sockets(&config)?;
    if talk.verbose > 0 {
        tell_ignored(&config, &mut io::stderr())?;
    }
    let socket = options.socket.unwrap_or_else(|| config.settings.live.socket_path.clone());
    serve::serve(&ServeJob {
        socket,
        log_dir: options.log_dir,
        talks: !talk.quiet,
        settings: config.settings,
        values: config.values,
        source,
    })
}

/// Reading writes to files alone.
///
/// # Errors
/// Every EVE log that goes to a socket.
pub(crate) fn refuse_sockets(config: &Config) -> Result<(), Problems> {
    const FILETYPE: &str = "outputs.eve-log.filetype";
    let on = config.values.eve.iter().filter(|log| log.flag("outputs.eve-log.enabled"));
    let to_sockets = on.filter(|log| log.word(FILETYPE).is_some_and(|word| word.starts_with("unix_")));
    let problem = |log: &Section| {
        Problem::new(&log.origin(FILETYPE), format!("'{FILETYPE}' is a socket, which takes live records only"))
    };
    let problems: Vec<_> = to_sockets.map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
}

/// `flumen check`.
fn check(options: &Check, talk: Talk) -> anyhow::Result<Exit> {
    let config = load(&Source { file: Some(options.config.clone()), set: options.set.clone() }, talk)?;
    let out = &mut io::stdout().lock();
    tell_ignored(&config, out)?;
    let later: Vec<_> = config.values.later.iter().map(|(key, part)| format!("{key} ({part})")).collect();
    if !later.is_empty() {
        writeln!(out, "right, but without effect until Flumen has the part named: {}", later.join(", "))?;
    }
    summary(&config, out)?;
    let files = config.files.len();
    let count = if files == 1 { String::new() } else { format!(" with {} included files", files - 1) };
    writeln!(out, "{}{count}: right", options.config.display())?;
    Ok(Exit::Clean)
}

/// `flumen config`.
fn print(source: &ConfigSource, talk: Talk) -> anyhow::Result<Exit> {
    let config = load(&source.with(&FlowOptions::default()), talk)?;
    io::stdout().lock().write_all(config.to_yaml().as_bytes())?;
    Ok(Exit::Clean)
}

/// `flumen completions`.
fn completions(shell: Shell) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "flumen", &mut text);
    io::stdout().lock().write_all(&text)?;
    Ok(Exit::Clean)
}

/// Loads a configuration and tells what is odd in it.
fn load(source: &Source, talk: Talk) -> Result<Config, Problems> {
    let config = source.load()?;
    if !talk.quiet {
        for warning in &config.values.warnings {
            // Standard error that cannot be written is nothing to fail for.
            let _ = writeln!(io::stderr(), "warning: {warning}");
        }
    }
    Ok(config)
}

/// One line with the keys that are Suricata's alone.
fn tell_ignored(config: &Config, out: &mut dyn Write) -> io::Result<()> {
    if config.values.ignored.is_empty() {
        return Ok(());
    }
    let ignored = config.values.ignored.iter().map(|name| match keys::reason(name) {
        Some(reason) => format!("{name} ({reason})"),
        None => name.clone(),
    });
    writeln!(out, "ignored, as Flumen does not have them: {}", ignored.collect::<Vec<_>>().join(", "))
}

/// The settings that matter most, in a few lines.
fn summary(config: &Config, out: &mut dyn Write) -> io::Result<()> {
    let table = &config.settings.engine.table;
    let midstream = if table.midstream { "on" } else { "off" };
    writeln!(
        out,
        "flow table: {}, {} rows, {} flows ready; midstream pickup {midstream}",
        Value::Size(table.memcap),
        table.hash_size,
        table.prealloc
    )?;
    let threads = &config.settings.engine.threads;
    if threads.workers > 1 || threads.affinity.is_some() {
        writeln!(out, "threads: {}", threads_text(threads))?;
    }
    let interfaces = config.values.interfaces.iter().map(|section| section.text("af-packet.interface"));
    let interfaces: Vec<_> = interfaces.filter(|name| *name != "default").collect();
    if !interfaces.is_empty() {
        writeln!(out, "capture: {}", interfaces.join(", "))?;
    }
    for eve in &config.settings.eve {
        let types = [("flow", eve.flow), ("netflow", eve.netflow), ("stats", eve.stats.is_some())];
        let types: Vec<_> = types.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
        let types = if types.is_empty() { "nothing".to_owned() } else { types.join(", ") };
        writeln!(out, "records: {types} to {}", eve.filename.display())?;
    }
    Ok(())
}

/// How many threads there are, and where they are bound to.
fn threads_text(threads: &Threads) -> String {
    let Threads { workers, managers, recyclers, affinity } = threads;
    // With one worker there are no others.
    let others = if *workers > 1 { format!(", managers: {managers}, recyclers: {recyclers}") } else { String::new() };
    let bound = affinity.map(|affinity| {
        let on = |placement: Placement| match placement.sharing {
            Sharing::Balanced => format!("CPU {}", placement.cpus),
            Sharing::Exclusive => format!("CPU {}, one each", placement.cpus),
        };
        format!("; workers on {}; management on {}", on(affinity.workers), on(affinity.management))
    });
    format!("workers: {workers}{others}{}", bound.unwrap_or_default())
}
