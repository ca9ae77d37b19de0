# Completion of tidesync for fish. tests/packaging/words holds it against the binary.

# True where the words before the cursor name exactly this verb: __tidesync_verb runs show
function __tidesync_verb
    set -l words (commandline -opc)
    set -l said
    for word in $words[2..-1]
        if not string match -q -- '-*' $word
            set -a said $word
        end
    end
    if test (count $argv) -eq 0
        test (count $said) -eq 0
    else if test (count $said) -lt (count $argv)
        false
    else if test "$said[1..$(count $argv)]" != "$argv"
        false
    else if test (count $argv) -eq 1; and contains -- $argv runs schedule token
        not contains -- "$said[2]" show cancel retry create list get pause resume delete trigger revoke
    end
end

function __tidesync_any
    for verb in $argv
        if __tidesync_verb (string split ' ' -- $verb)
            return 0
        end
    end
    false
end

complete -c tidesync -f
complete -c tidesync -s h -l help -d 'Say what it takes'
complete -c tidesync -n __tidesync_verb -l version -d 'Say the version'

complete -c tidesync -n __tidesync_verb -a serve -d 'Answer QStash and people over HTTP'
complete -c tidesync -n __tidesync_verb -a run -d 'Run a job now and wait for its end'
complete -c tidesync -n __tidesync_verb -a check -d 'Compare both sides; write nothing'
complete -c tidesync -n __tidesync_verb -a check-config -d 'Test every setting of serve'
complete -c tidesync -n __tidesync_verb -a doctor -d 'Look at how the whole behaves'
complete -c tidesync -n __tidesync_verb -a migrate -d 'Make or update the schemas'
complete -c tidesync -n __tidesync_verb -a runs -d 'List the latest runs; show, cancel, retry one'
complete -c tidesync -n __tidesync_verb -a pause -d 'Let a job start nothing until it is resumed'
complete -c tidesync -n __tidesync_verb -a resume -d 'Let a paused job start again'
complete -c tidesync -n __tidesync_verb -a ensure -d 'Run a job only if nothing served its last tick'
complete -c tidesync -n __tidesync_verb -a schedule -d 'Look at and change schedules at QStash'
complete -c tidesync -n __tidesync_verb -a token -d 'Make, list and revoke bearer tokens'
complete -c tidesync -n __tidesync_verb -a audit -d 'List what people did'
complete -c tidesync -n __tidesync_verb -a setup -d 'Test everything, create or correct the schedule'
complete -c tidesync -n __tidesync_verb -a qstash-local -d 'Serve the API of QStash from PostgreSQL'
complete -c tidesync -n __tidesync_verb -a demo -d 'A part of the demo'
complete -c tidesync -n __tidesync_verb -a health -d 'Ask the worker of this machine whether it lives'
complete -c tidesync -n __tidesync_verb -a pre-stop -d 'Sleep, for Kubernetes'

complete -c tidesync -n '__tidesync_verb runs' -a show -d 'Show one run'
complete -c tidesync -n '__tidesync_verb runs' -a cancel -d 'Stop a run'
complete -c tidesync -n '__tidesync_verb runs' -a retry -d 'Make a new run for one that failed'
complete -c tidesync -n '__tidesync_verb schedule' -a create -d 'Create the schedule of a job, or replace it'
complete -c tidesync -n '__tidesync_verb schedule' -a list -d 'List every schedule of the account'
complete -c tidesync -n '__tidesync_verb schedule' -a get -d 'Show one schedule'
complete -c tidesync -n '__tidesync_verb schedule' -a pause -d 'Stop the schedule until it is resumed'
complete -c tidesync -n '__tidesync_verb schedule' -a resume -d 'Start it again from the next tick'
complete -c tidesync -n '__tidesync_verb schedule' -a delete -d 'Delete a schedule'
complete -c tidesync -n '__tidesync_verb schedule' -a trigger -d 'Let QStash deliver now'
complete -c tidesync -n '__tidesync_verb token' -a create -d 'Make a token and print it, this once'
complete -c tidesync -n '__tidesync_verb token' -a list -d 'List tokens'
complete -c tidesync -n '__tidesync_verb token' -a revoke -d 'End a token'

# Jobs and schedules by their usual names.
complete -c tidesync -n '__tidesync_any run check pause resume ensure' -a slave-to-prod
complete -c tidesync -n '__tidesync_any "schedule create" "schedule get" "schedule pause" "schedule resume" "schedule delete" "schedule trigger"' -a tidesync-slave-to-prod

set -l with_config serve run check check-config doctor migrate runs pause resume ensure '"schedule create"' audit setup demo
set -l with_json run check check-config doctor migrate runs '"runs show"' '"runs cancel"' '"runs retry"' pause resume ensure \
    '"schedule create"' '"schedule list"' '"schedule get"' '"schedule pause"' '"schedule resume"' '"schedule delete"' \
    '"schedule trigger"' '"token create"' '"token list"' '"token revoke"' audit setup
complete -c tidesync -n "__tidesync_any $with_config" -l config -r -F -d 'Job file'
complete -c tidesync -n "__tidesync_any $with_json" -l json -d 'One JSON document on stdout'
complete -c tidesync -n '__tidesync_any serve check-config setup' -l insecure-dev -d 'Accept the public development keys'
complete -c tidesync -n '__tidesync_any runs audit' -l limit -x -d 'How many'

complete -c tidesync -n '__tidesync_verb run' -l dry-run -d 'Write nothing'
complete -c tidesync -n '__tidesync_verb run' -l approve -x -d 'Let what a guard stopped through, once'
complete -c tidesync -n '__tidesync_verb pause' -l reason -x -d Why
complete -c tidesync -n '__tidesync_verb ensure' -l slot -x -a current -d 'Which tick'
complete -c tidesync -n '__tidesync_verb ensure' -l wait -d 'Wait for the end of the run'
complete -c tidesync -n '__tidesync_verb schedule create' -l job -x -a slave-to-prod -d 'The job'
complete -c tidesync -n '__tidesync_verb schedule create' -l cron -x -d 'Five fields, or @daily and the like'
complete -c tidesync -n '__tidesync_verb schedule create' -l timezone -x -d Area/City
complete -c tidesync -n '__tidesync_verb schedule create' -l retries -x -d 'How often a failed delivery is tried again'
complete -c tidesync -n '__tidesync_verb schedule create' -l timeout -x -d 'Seconds that QStash waits'
complete -c tidesync -n '__tidesync_verb schedule create' -l parameters -x -d 'JSON object for the job'
complete -c tidesync -n '__tidesync_verb token create' -l name -x -d 'Whose it is'
complete -c tidesync -n '__tidesync_verb token create' -l scope -x -a 'read trigger admin' -d 'What it opens'
complete -c tidesync -n '__tidesync_verb token create' -l expires -x -d 'Days that it is good for'
complete -c tidesync -n '__tidesync_verb migrate' -l await -x -d 'Change nothing, wait for the schemas'
complete -c tidesync -n '__tidesync_verb migrate' -l grant-to -x -d 'Grant the worker what it needs'
complete -c tidesync -n '__tidesync_verb health' -l ready -d 'Ask whether it takes work'
complete -c tidesync -n '__tidesync_verb pre-stop' -l sleep -x -d 'How long'
complete -c tidesync -n '__tidesync_verb qstash-local' -l listen -x -d 'Address and port'
complete -c tidesync -n '__tidesync_verb qstash-local' -l dev -d 'The public development users and keys'
complete -c tidesync -n '__tidesync_verb qstash-local' -l catch-up -d 'Make up for missed ticks'
