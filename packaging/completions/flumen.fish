# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_flumen_global_optspecs
    string join \n v/verbose q/quiet color= h/help V/version
end

function __fish_flumen_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_flumen_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_flumen_using_subcommand
    set -l cmd (__fish_flumen_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c flumen -n "__fish_flumen_needs_command" -l color -d 'Colours on the terminal' -r -f -a "auto\t''
always\t''
never\t''"
complete -c flumen -n "__fish_flumen_needs_command" -s v -l verbose -d 'Say more on standard error; repeat for more still'
complete -c flumen -n "__fish_flumen_needs_command" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c flumen -n "__fish_flumen_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flumen -n "__fish_flumen_needs_command" -s V -l version -d 'Print version'
complete -c flumen -n "__fish_flumen_needs_command" -f -a "read" -d 'Read captures and write their flows'
complete -c flumen -n "__fish_flumen_needs_command" -f -a "capture" -d 'Capture on interfaces and write the flows, until stopped'
complete -c flumen -n "__fish_flumen_needs_command" -f -a "keeper" -d 'Beside a capture, keeps the lines of its logs whole; started by it, with a socket for its standard input'
complete -c flumen -n "__fish_flumen_needs_command" -f -a "serve" -d 'Read captures as they are asked for through the control socket, until stopped'
complete -c flumen -n "__fish_flumen_needs_command" -f -a "check" -d 'Test a configuration: what is wrong, odd, or ignored'
complete -c flumen -n "__fish_flumen_needs_command" -f -a "config" -d 'Print the effective configuration, each value with its origin'
complete -c flumen -n "__fish_flumen_needs_command" -f -a "ctl" -d 'Look into a running sensor, and steer it'
complete -c flumen -n "__fish_flumen_needs_command" -f -a "completions" -d 'Print the completions of a shell: flumen completions bash > FILE'
complete -c flumen -n "__fish_flumen_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c flumen -n "__fish_flumen_using_subcommand read" -s f -l filter -d 'Which frames, in one argument' -r
complete -c flumen -n "__fish_flumen_using_subcommand read" -s F -l filter-file -d 'Which frames, from a file' -r -F
complete -c flumen -n "__fish_flumen_using_subcommand read" -s l -l log-dir -d 'Write records into this directory instead of a summary to the terminal' -r -F
complete -c flumen -n "__fish_flumen_using_subcommand read" -s c -l config -d 'Configuration, a suricata.yaml; without it defaults' -r -F
complete -c flumen -n "__fish_flumen_using_subcommand read" -l set -d 'Set a key by its dotted name, such as flow.memcap=1gb' -r
complete -c flumen -n "__fish_flumen_using_subcommand read" -s k -d 'TCP checksums: trust all (none) or let a wrong one keep a segment from its session (all)' -r -f -a "none\t'No checksum is looked at'
all\t'Every one is'"
complete -c flumen -n "__fish_flumen_using_subcommand read" -l memcap -d 'Memory for the flow table, such as 512mb' -r
complete -c flumen -n "__fish_flumen_using_subcommand read" -l hash-size -d 'Rows of the flow table' -r
complete -c flumen -n "__fish_flumen_using_subcommand read" -l timeout -d 'A timeout, such as tcp.new=60 or udp.emergency-established=10s' -r
complete -c flumen -n "__fish_flumen_using_subcommand read" -l compat -d 'Do as Suricata does, also where Flumen would do better: suricata or flumen' -r
complete -c flumen -n "__fish_flumen_using_subcommand read" -l threads -d 'Worker threads; auto: as many as there are CPUs for them' -r
complete -c flumen -n "__fish_flumen_using_subcommand read" -l color -d 'Colours on the terminal' -r -f -a "auto\t''
always\t''
never\t''"
complete -c flumen -n "__fish_flumen_using_subcommand read" -l json -d 'Write records to standard output, one JSON object a line'
complete -c flumen -n "__fish_flumen_using_subcommand read" -l audit -d 'Exit with 5 unless every packet and byte is accounted for'
complete -c flumen -n "__fish_flumen_using_subcommand read" -l no-progress -d 'No line of progress, even on a terminal'
complete -c flumen -n "__fish_flumen_using_subcommand read" -l midstream -d 'Let TCP sessions begin in their middle'
complete -c flumen -n "__fish_flumen_using_subcommand read" -l no-midstream -d 'TCP sessions begin with a SYN'
complete -c flumen -n "__fish_flumen_using_subcommand read" -s v -l verbose -d 'Say more on standard error; repeat for more still'
complete -c flumen -n "__fish_flumen_using_subcommand read" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c flumen -n "__fish_flumen_using_subcommand read" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flumen -n "__fish_flumen_using_subcommand capture" -s i -l interface -d 'Interface, or any; may be repeated. Without it those in af-packet of the configuration' -r
complete -c flumen -n "__fish_flumen_using_subcommand capture" -s l -l log-dir -d 'Write records into this directory; without it default-log-dir' -r -F
complete -c flumen -n "__fish_flumen_using_subcommand capture" -s F -l filter-file -d 'Which frames, from a file' -r -F
complete -c flumen -n "__fish_flumen_using_subcommand capture" -s c -l config -d 'Configuration, a suricata.yaml; without it defaults' -r -F
complete -c flumen -n "__fish_flumen_using_subcommand capture" -l set -d 'Set a key by its dotted name, such as flow.memcap=1gb' -r
complete -c flumen -n "__fish_flumen_using_subcommand capture" -s k -d 'TCP checksums: trust all (none) or let a wrong one keep a segment from its session (all)' -r -f -a "none\t'No checksum is looked at'
all\t'Every one is'"
complete -c flumen -n "__fish_flumen_using_subcommand capture" -l memcap -d 'Memory for the flow table, such as 512mb' -r
complete -c flumen -n "__fish_flumen_using_subcommand capture" -l hash-size -d 'Rows of the flow table' -r
complete -c flumen -n "__fish_flumen_using_subcommand capture" -l timeout -d 'A timeout, such as tcp.new=60 or udp.emergency-established=10s' -r
complete -c flumen -n "__fish_flumen_using_subcommand capture" -l compat -d 'Do as Suricata does, also where Flumen would do better: suricata or flumen' -r
complete -c flumen -n "__fish_flumen_using_subcommand capture" -l threads -d 'Worker threads; auto: as many as there are CPUs for them' -r
complete -c flumen -n "__fish_flumen_using_subcommand capture" -l color -d 'Colours on the terminal' -r -f -a "auto\t''
always\t''
never\t''"
complete -c flumen -n "__fish_flumen_using_subcommand capture" -l json -d 'Write records to standard output, one JSON object a line'
complete -c flumen -n "__fish_flumen_using_subcommand capture" -l audit -d 'Exit with 5 unless every packet and byte is accounted for'
complete -c flumen -n "__fish_flumen_using_subcommand capture" -l midstream -d 'Let TCP sessions begin in their middle'
complete -c flumen -n "__fish_flumen_using_subcommand capture" -l no-midstream -d 'TCP sessions begin with a SYN'
complete -c flumen -n "__fish_flumen_using_subcommand capture" -s v -l verbose -d 'Say more on standard error; repeat for more still'
complete -c flumen -n "__fish_flumen_using_subcommand capture" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c flumen -n "__fish_flumen_using_subcommand capture" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flumen -n "__fish_flumen_using_subcommand keeper" -l color -d 'Colours on the terminal' -r -f -a "auto\t''
always\t''
never\t''"
complete -c flumen -n "__fish_flumen_using_subcommand keeper" -s v -l verbose -d 'Say more on standard error; repeat for more still'
complete -c flumen -n "__fish_flumen_using_subcommand keeper" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c flumen -n "__fish_flumen_using_subcommand keeper" -s h -l help -d 'Print help'
complete -c flumen -n "__fish_flumen_using_subcommand serve" -l socket -d 'Control socket; without it unix-command.filename' -r -F
complete -c flumen -n "__fish_flumen_using_subcommand serve" -s l -l log-dir -d 'Where output directories lie that are not absolute; without it the current directory' -r -F
complete -c flumen -n "__fish_flumen_using_subcommand serve" -s c -l config -d 'Configuration, a suricata.yaml; without it defaults' -r -F
complete -c flumen -n "__fish_flumen_using_subcommand serve" -l set -d 'Set a key by its dotted name, such as flow.memcap=1gb' -r
complete -c flumen -n "__fish_flumen_using_subcommand serve" -s k -d 'TCP checksums: trust all (none) or let a wrong one keep a segment from its session (all)' -r -f -a "none\t'No checksum is looked at'
all\t'Every one is'"
complete -c flumen -n "__fish_flumen_using_subcommand serve" -l memcap -d 'Memory for the flow table, such as 512mb' -r
complete -c flumen -n "__fish_flumen_using_subcommand serve" -l hash-size -d 'Rows of the flow table' -r
complete -c flumen -n "__fish_flumen_using_subcommand serve" -l timeout -d 'A timeout, such as tcp.new=60 or udp.emergency-established=10s' -r
complete -c flumen -n "__fish_flumen_using_subcommand serve" -l compat -d 'Do as Suricata does, also where Flumen would do better: suricata or flumen' -r
complete -c flumen -n "__fish_flumen_using_subcommand serve" -l threads -d 'Worker threads; auto: as many as there are CPUs for them' -r
complete -c flumen -n "__fish_flumen_using_subcommand serve" -l color -d 'Colours on the terminal' -r -f -a "auto\t''
always\t''
never\t''"
complete -c flumen -n "__fish_flumen_using_subcommand serve" -l midstream -d 'Let TCP sessions begin in their middle'
complete -c flumen -n "__fish_flumen_using_subcommand serve" -l no-midstream -d 'TCP sessions begin with a SYN'
complete -c flumen -n "__fish_flumen_using_subcommand serve" -s v -l verbose -d 'Say more on standard error; repeat for more still'
complete -c flumen -n "__fish_flumen_using_subcommand serve" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c flumen -n "__fish_flumen_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flumen -n "__fish_flumen_using_subcommand check" -s c -l config -d 'The configuration, a suricata.yaml' -r -F
complete -c flumen -n "__fish_flumen_using_subcommand check" -l set -d 'Set a key by its dotted name' -r
complete -c flumen -n "__fish_flumen_using_subcommand check" -l color -d 'Colours on the terminal' -r -f -a "auto\t''
always\t''
never\t''"
complete -c flumen -n "__fish_flumen_using_subcommand check" -s v -l verbose -d 'Say more on standard error; repeat for more still'
complete -c flumen -n "__fish_flumen_using_subcommand check" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c flumen -n "__fish_flumen_using_subcommand check" -s h -l help -d 'Print help'
complete -c flumen -n "__fish_flumen_using_subcommand config" -s c -l config -d 'Configuration, a suricata.yaml; without it defaults' -r -F
complete -c flumen -n "__fish_flumen_using_subcommand config" -l set -d 'Set a key by its dotted name, such as flow.memcap=1gb' -r
complete -c flumen -n "__fish_flumen_using_subcommand config" -l color -d 'Colours on the terminal' -r -f -a "auto\t''
always\t''
never\t''"
complete -c flumen -n "__fish_flumen_using_subcommand config" -s v -l verbose -d 'Say more on standard error; repeat for more still'
complete -c flumen -n "__fish_flumen_using_subcommand config" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c flumen -n "__fish_flumen_using_subcommand config" -s h -l help -d 'Print help'
complete -c flumen -n "__fish_flumen_using_subcommand ctl" -l socket -d 'Socket of the sensor, its unix-command.filename' -r -F
complete -c flumen -n "__fish_flumen_using_subcommand ctl" -l timeout -d 'Seconds to wait for the sensor, and for its answer' -r
complete -c flumen -n "__fish_flumen_using_subcommand ctl" -l color -d 'Colours on the terminal' -r -f -a "auto\t''
always\t''
never\t''"
complete -c flumen -n "__fish_flumen_using_subcommand ctl" -s v -l verbose -d 'Say more on standard error; repeat for more still'
complete -c flumen -n "__fish_flumen_using_subcommand ctl" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c flumen -n "__fish_flumen_using_subcommand ctl" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c flumen -n "__fish_flumen_using_subcommand completions" -l color -d 'Colours on the terminal' -r -f -a "auto\t''
always\t''
never\t''"
complete -c flumen -n "__fish_flumen_using_subcommand completions" -s v -l verbose -d 'Say more on standard error; repeat for more still'
complete -c flumen -n "__fish_flumen_using_subcommand completions" -s q -l quiet -d 'Say nothing on standard error but errors'
complete -c flumen -n "__fish_flumen_using_subcommand completions" -s h -l help -d 'Print help'
complete -c flumen -n "__fish_flumen_using_subcommand help; and not __fish_seen_subcommand_from read capture keeper serve check config ctl completions help" -f -a "read" -d 'Read captures and write their flows'
complete -c flumen -n "__fish_flumen_using_subcommand help; and not __fish_seen_subcommand_from read capture keeper serve check config ctl completions help" -f -a "capture" -d 'Capture on interfaces and write the flows, until stopped'
complete -c flumen -n "__fish_flumen_using_subcommand help; and not __fish_seen_subcommand_from read capture keeper serve check config ctl completions help" -f -a "keeper" -d 'Beside a capture, keeps the lines of its logs whole; started by it, with a socket for its standard input'
complete -c flumen -n "__fish_flumen_using_subcommand help; and not __fish_seen_subcommand_from read capture keeper serve check config ctl completions help" -f -a "serve" -d 'Read captures as they are asked for through the control socket, until stopped'
complete -c flumen -n "__fish_flumen_using_subcommand help; and not __fish_seen_subcommand_from read capture keeper serve check config ctl completions help" -f -a "check" -d 'Test a configuration: what is wrong, odd, or ignored'
complete -c flumen -n "__fish_flumen_using_subcommand help; and not __fish_seen_subcommand_from read capture keeper serve check config ctl completions help" -f -a "config" -d 'Print the effective configuration, each value with its origin'
complete -c flumen -n "__fish_flumen_using_subcommand help; and not __fish_seen_subcommand_from read capture keeper serve check config ctl completions help" -f -a "ctl" -d 'Look into a running sensor, and steer it'
complete -c flumen -n "__fish_flumen_using_subcommand help; and not __fish_seen_subcommand_from read capture keeper serve check config ctl completions help" -f -a "completions" -d 'Print the completions of a shell: flumen completions bash > FILE'
complete -c flumen -n "__fish_flumen_using_subcommand help; and not __fish_seen_subcommand_from read capture keeper serve check config ctl completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
