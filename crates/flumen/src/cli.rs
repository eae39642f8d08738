//! What can be typed: the command line as types. What it means is decided in [`command`](crate::command).

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{ArgAction, Args, ColorChoice, Parser, Subcommand, ValueEnum};

use crate::config::{Override, Source};
use crate::exit;

/// A network flow engine and sensor: reads captures, follows every conversation, writes one record per flow.
#[derive(Debug, Parser)]
#[command(name = "flumen", version = SHORT_VERSION, long_version = LONG_VERSION, after_long_help = help_end(EXAMPLES))]
#[command(after_help = "Try 'flumen read capture.pcap', or --help for examples and exit codes.")]
#[command(styles = STYLES, max_term_width = 100, arg_required_else_help = true, subcommand_required = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What is said on standard error, and how.
    #[command(flatten)]
    pub talk: Talk,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read captures and write their flows
    Read(Box<Read>),
    /// Capture on interfaces and write the flows, until stopped
    #[cfg(target_os = "linux")]
    Capture(Box<Capture>),
    /// Beside a capture, keeps the lines of its logs whole; started by it, with a socket for its standard input
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Keeper,
    /// Read captures as they are asked for through the control socket, until stopped
    #[cfg(target_os = "linux")]
    Serve(Box<Serve>),
    /// Test a configuration: what is wrong, odd, or ignored
    Check(Check),
    /// Print the effective configuration, each value with its origin
    Config(ConfigSource),
    /// Look into a running sensor, and steer it
    Ctl(Ctl),
    /// Print the completions of a shell: flumen completions bash > FILE
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: clap_complete::Shell,
    },
}

/// How much is said.
#[derive(Args, Clone, Copy, Debug)]
pub struct Talk {
    /// Say more on standard error; repeat for more still
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Say nothing on standard error but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Colours on the terminal
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = false)]
    pub color: ColorChoice,
}

/// `flumen read`.
#[derive(Args, Debug)]
#[command(after_long_help = help_end(READ_EXAMPLES))]
pub struct Read {
    /// Captures: pcap or pcapng, also .gz and .zst; a directory stands for its captures in the order of time, - for standard input.
    /// From the second on, a word that is no file begins a filter expression as tcpdump takes it
    #[arg(required = true, value_name = "FILE [FILTER]")]
    pub files: Vec<PathBuf>,
    /// Which frames; behind -- every word is one of the filter's
    #[arg(last = true, value_name = "FILTER")]
    pub words: Vec<String>,
    /// Which frames, in one argument
    #[arg(short = 'f', long = "filter", value_name = "EXPR", conflicts_with = "words")]
    pub filter: Option<String>,
    /// Which frames, from a file
    #[arg(short = 'F', long, value_name = "FILE", conflicts_with_all = ["words", "filter"])]
    pub filter_file: Option<PathBuf>,
    /// Write records into this directory instead of a summary to the terminal
    #[arg(short, long, value_name = "DIR")]
    pub log_dir: Option<PathBuf>,
    /// Write records to standard output, one JSON object a line
    #[arg(long, conflicts_with = "log_dir")]
    pub json: bool,
    /// Exit with 5 unless every packet and byte is accounted for
    #[arg(long)]
    pub audit: bool,
    /// No line of progress, even on a terminal
    #[arg(long)]
    pub no_progress: bool,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub source: ConfigSource,
    /// Options that stand for keys.
    #[command(flatten)]
    pub flow: FlowOptions,
}

/// `flumen capture`.
#[derive(Args, Debug)]
#[command(after_long_help = help_end(CAPTURE_EXAMPLES))]
pub struct Capture {
    /// Interface, or any; may be repeated. Without it those in af-packet of the configuration
    #[arg(short, long = "interface", value_name = "IFACE")]
    pub interfaces: Vec<String>,
    /// Write records into this directory; without it default-log-dir
    #[arg(short, long, value_name = "DIR")]
    pub log_dir: Option<PathBuf>,
    /// Write records to standard output, one JSON object a line
    #[arg(long, conflicts_with = "log_dir")]
    pub json: bool,
    /// Exit with 5 unless every packet and byte is accounted for
    #[arg(long)]
    pub audit: bool,
    /// Which frames, from a file
    #[arg(short = 'F', long, value_name = "FILE", conflicts_with = "words")]
    pub filter_file: Option<PathBuf>,
    /// Which frames: a filter expression as tcpdump takes it, instead of any bpf-filter
    #[arg(value_name = "FILTER")]
    pub words: Vec<String>,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub source: ConfigSource,
    /// Options that stand for keys.
    #[command(flatten)]
    pub flow: FlowOptions,
}

/// `flumen serve`.
#[derive(Args, Debug)]
#[command(after_long_help = help_end(SERVE_EXAMPLES))]
pub struct Serve {
    /// Control socket; without it unix-command.filename
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Where output directories lie that are not absolute; without it the current directory
    #[arg(short, long, value_name = "DIR")]
    pub log_dir: Option<PathBuf>,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub source: ConfigSource,
    /// Options that stand for keys.
    #[command(flatten)]
    pub flow: FlowOptions,
}

/// `flumen check`.
#[derive(Args, Debug)]
pub struct Check {
    /// The configuration, a suricata.yaml
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// Set a key by its dotted name
    #[arg(long, value_name = "KEY=VALUE", value_parser = Override::parse)]
    pub set: Vec<Override>,
}

/// `flumen ctl`.
#[derive(Args, Debug)]
#[command(after_long_help = help_end(CTL_EXAMPLES))]
pub struct Ctl {
    /// Socket of the sensor, its unix-command.filename
    #[arg(long, value_name = "PATH", default_value = flumen_control::DEFAULT_SOCKET)]
    pub socket: PathBuf,
    /// Seconds to wait for the sensor, and for its answer
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
    /// Command and its arguments, in their order or as name=value; without one, the commands there are
    #[arg(value_name = "COMMAND")]
    pub words: Vec<String>,
}

/// Where a configuration comes from.
#[derive(Args, Debug)]
pub struct ConfigSource {
    /// Configuration, a suricata.yaml; without it defaults
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set a key by its dotted name, such as flow.memcap=1gb
    #[arg(long, value_name = "KEY=VALUE", value_parser = Override::parse)]
    pub set: Vec<Override>,
}

impl ConfigSource {
    /// The same with what these options stand for over it.
    #[must_use]
    pub fn with(&self, options: &FlowOptions) -> Source {
        let set = self.set.iter().cloned().chain(options.overrides());
        Source { file: self.config.clone(), set: set.collect() }
    }
}

/// Options that stand for keys of the configuration, and overrule it and `--set`.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Flow options")]
pub struct FlowOptions {
    /// TCP checksums: trust all (none) or let a wrong one keep a segment from its session (all)
    #[arg(short = 'k', value_name = "CHECKS")]
    pub checksums: Option<Checks>,
    /// Let TCP sessions begin in their middle
    #[arg(long, overrides_with = "no_midstream")]
    pub midstream: bool,
    /// TCP sessions begin with a SYN
    #[arg(long, overrides_with = "midstream")]
    pub no_midstream: bool,
    /// Memory for the flow table, such as 512mb
    #[arg(long, value_name = "SIZE")]
    pub memcap: Option<String>,
    /// Rows of the flow table
    #[arg(long, value_name = "N")]
    pub hash_size: Option<String>,
    /// A timeout, such as tcp.new=60 or udp.emergency-established=10s
    #[arg(long, value_name = "CLASS.STATE=TIME", value_parser = Override::parse)]
    pub timeout: Vec<Override>,
    /// Do as Suricata does, also where Flumen would do better: suricata or flumen
    #[arg(long, value_name = "WHOM")]
    pub compat: Option<String>,
    /// Worker threads; auto: as many as there are CPUs for them
    #[arg(long, value_name = "N")]
    pub threads: Option<String>,
}

/// `-k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Checks {
    /// No checksum is looked at.
    None,
    /// Every one is.
    All,
}

impl FlowOptions {
    /// The keys that these options stand for.
    #[must_use]
    pub fn overrides(&self) -> Vec<Override> {
        let mut given = Vec::new();
        let mut add = |option, key: &str, value: Option<&str>| {
            given.extend(value.map(|value| Override::option(option, key, value)));
        };
        let checks = self.checksums.map(|checks| match checks {
            Checks::None => "none",
            Checks::All => "all",
        });
        add("-k", "capture.checksum-validation", checks);
        add("--midstream", "stream.midstream", self.midstream.then_some("yes"));
        add("--no-midstream", "stream.midstream", self.no_midstream.then_some("no"));
        add("--memcap", "flow.memcap", self.memcap.as_deref());
        add("--hash-size", "flow.hash-size", self.hash_size.as_deref());
        for timeout in &self.timeout {
            add("--timeout", &format!("flow-timeouts.{}", timeout.key), Some(&timeout.value));
        }
        add("--compat", "flumen.compat", self.compat.as_deref());
        add("--threads", "flumen.threads", self.threads.as_deref());
        given
    }
}

/// `-V`.
const SHORT_VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("FLUMEN_COMMIT"), ")");

/// `--version`.
const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit:   ",
    env!("FLUMEN_COMMIT"),
    "\ntarget:   ",
    env!("FLUMEN_TARGET"),
    "\nprofile:  ",
    env!("FLUMEN_PROFILE"),
    "\nfeatures: ",
    env!("FLUMEN_FEATURES"),
    "\ncompiler: ",
    env!("FLUMEN_COMPILER"),
);

/// Examples and exit codes, as they end the long help.
fn help_end(examples: &str) -> String {
    format!("{examples}\n\n{}", exit::HELP)
}

const EXAMPLES: &str = "\
Examples:
  flumen read capture.pcap                 who talked to whom: a summary
  flumen read capture.pcap -l out          flow records as Suricata's, in out/eve.json
  flumen read capture.pcap --json | head   flow records on standard output
  flumen read *.pcap.gz -c suricata.yaml -l out
                                           the same with the settings of a sensor
  flumen capture -i eth0 -l out            flow records of an interface, until stopped
  flumen serve -l /var/log/flumen          wait for captures; flumen ctl pcap-file FILE DIR
  flumen check -c suricata.yaml            is this right, and what of it is ignored
  flumen config -c suricata.yaml           what is effective, and where it comes from
  flumen ctl dump-counters                 the counters of a running sensor
  flumen read --help                       all options of a subcommand";

const READ_EXAMPLES: &str = "\
Examples:
  flumen read a.pcap b.pcapng.zst            several captures, one after the other
  zcat huge.pcap.gz | flumen read - --json   from a pipe, into a pipe
  flumen read a.pcap -l out --set outputs.eve-log.community-id=yes
                                             a key of the configuration by its name
  flumen read a.pcap --timeout udp.established=60 --no-midstream
                                             how long flows live, where sessions begin
  flumen read a.pcap -l out --compat suricata -k none
                                             records to compare with Suricata's
  flumen read *.pcap tcp port 443 and host 10.0.0.1
                                             only some frames, as tcpdump would have them
  flumen read a.pcap -- udp                  the same where a file is called udp
  flumen read captures/ --audit              is every packet accounted for";

const CAPTURE_EXAMPLES: &str = "\
Examples:
  flumen capture -i eth0 --json              flows of an interface as they end
  flumen capture -i eth0 -i eth1 --threads 2 -l /var/log/flumen
                                             two interfaces, two rings each
  flumen capture -c suricata.yaml            as the configuration of a sensor says
  flumen capture -i eth0 -l out not port 22  only some frames, as tcpdump would have them

Signals:
  INT, TERM  end: what was captured is written; a second one gives that up
  HUP        open log files again
  USR1       write the counters to the logs now
  USR2       read the configuration again: take over memory limits, filters and the interval of stats,
             and say what else has changed and takes a restart";

const SERVE_EXAMPLES: &str = "\
Examples:
  flumen serve --socket /run/flumen/pcap.socket
                                             wait for captures
  flumen ctl --socket /run/flumen/pcap.socket pcap-file a.pcap out
                                             read one; its records go to the directory out
  flumen ctl pcap-file-continuous /var/spool/pcap /var/log/flumen delete-when-done=true
                                             watch a directory
  flumen ctl pcap-interrupt                  end that

Signals:
  INT, TERM  end: of the present capture what was read is written; a second one gives that up
  HUP        open log files again
  USR1       say how far the present capture is
  USR2       read the configuration again, for the next capture";

const CTL_EXAMPLES: &str = "\
Examples:
  flumen ctl                                 the commands, with a line about each
  flumen ctl dump-counters                   all counters, as a table
  flumen ctl dump-counters | jq .message.flow
                                             in a pipe the answer is JSON, as suricatasc prints it
  flumen ctl memcap-set flow 256mb           arguments in their order
  flumen ctl pcap-file a.pcap /var/log/out delete-when-done=true
                                             or by their names";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold());
