{# Commands that build are logged: not parse, compile, docs, show, nor tests alone. #}
{% macro logs_runs() -%}
    {% if not execute or not var('foresql_run_log', true) %}
        {{ return(false) }}
    {% endif %}
    {% set tests = [] %}
    {% for node in selected_resources if node.split('.')[0] in ('test', 'unit_test') %}
        {% do tests.append(node) %}
    {% endfor %}
    {% set only_tests = tests and tests | length == selected_resources | length %}
    {{ return(flags.WHICH in ('build', 'run', 'retry') and not only_tests) }}
{%- endmacro %}

{# on-run-start: a row in the table `runs`, with the status 'running'. #}
{% macro start_run() -%}
    {% if foresql.logs_runs() %}
        {% set status = foresql.column('status') %}
        {% set ended = {
            'status': "'interrupted'",
            'message': foresql.run_log_value('Its end was not recorded; run ' ~ invocation_id ~ ' found it.'),
        } %}
        {% set dead = status ~ " = 'running' and (" ~ foresql.run_log_dead() ~ ')' %}
        {% do foresql.write_run_log(foresql.run_log_migration() + [
            foresql.run_log_update('runs', ended, dead),
            foresql.run_log_insert('runs', foresql.run_log_row('running')),
        ]) %}
    {% endif %}
{%- endmacro %}

{# Which runs without an end cannot be under way any more. A schedule's lock keeps two of its runs
   apart; of others a day decides. A run that was taken for dead corrects its row at its end. #}
{% macro run_log_dead() -%}
    {{ return(adapter.dispatch('run_log_dead', 'foresql')()) }}
{%- endmacro %}

{% macro default__run_log_dead() -%}
    {% set hours = var('foresql_interrupted_after_hours', 24) | int %}
    {% set before = run_started_at - modules.datetime.timedelta(hours=hours) %}
    {% set dead = foresql.column('started_at') ~ ' < ' ~ foresql.run_log_time(before) %}
    {% set schedule = env_var('FORESQL_SCHEDULE', '') %}
    {% if schedule %}
        {% set dead = dead ~ ' or (' ~ foresql.column('schedule') ~ ' = '
            ~ foresql.run_log_value(schedule) ~ ' and ' ~ foresql.column('target') ~ ' = '
            ~ foresql.run_log_value(target.name) ~ ')' %}
    {% endif %}
    {{ return(dead) }}
{%- endmacro %}

{# One process alone writes to a DuckDB file: whoever else was running is not any more. #}
{% macro duckdb__run_log_dead() -%}
    {{ return(foresql.default__run_log_dead() if adapter.is_motherduck() else 'true') }}
{%- endmacro %}
