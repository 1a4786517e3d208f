{# A value of Jinja as SQL. #}
{% macro run_log_value(value) -%}
    {% if value is none %}
        {{ return('null') }}
    {% elif value is number %}
        {{ return(value | string) }}
    {% endif %}
    {{ return(foresql.literal(value | string)) }}
{%- endmacro %}

{# A time in UTC. #}
{% macro run_log_time(time) -%}
    {% set text = time.astimezone(modules.pytz.utc).strftime('%Y-%m-%d %H:%M:%S.%f') %}
    {{ return("cast('" ~ text ~ "' as " ~ foresql.timestamp_type() ~ ')') }}
{%- endmacro %}

{# The first lines of an error as one line, of at most 500 characters. #}
{% macro run_log_line(message) -%}
    {% set line = (message or '') | string | replace('\n', ' ') %}
    {% set line = line.split() | join(' ') %}
    {{ return(line[:497] ~ '...' if line | length > 500 else line) }}
{%- endmacro %}

{# What this run was asked to build, as it was typed: 'tag:predictions --exclude big'. #}
{% macro run_log_selection() -%}
    {% set asked, words = invocation_args_dict, [] %}
    {% for option in ('select', 'exclude', 'selector') %}
        {% set given = asked.get(option) or () %}
        {% set given = [given] if given is string else given | list %}
        {% if given %}
            {% do words.append(('' if option == 'select' else '--' ~ option ~ ' ') ~ given | join(' ')) %}
        {% endif %}
    {% endfor %}
    {% if asked.get('full_refresh') %}
        {% do words.append('--full-refresh') %}
    {% endif %}
    {{ return(words | join(' ') or none) }}
{%- endmacro %}

{# What is known of this run from its start. `foresql schedule run` names itself in the environment;
   asked only while dbt runs, so that another schedule's name makes no project parse again. #}
{% macro run_log_row(status) -%}
    {% set schedule = env_var('FORESQL_SCHEDULE', '') %}
    {% set attempt = env_var('FORESQL_ATTEMPT', '1') | int(1) %}
    {% set row = {} %}
    {% do row.update({
        'run_id': foresql.run_log_value(invocation_id),
        'started_at': foresql.run_log_time(run_started_at),
        'status': foresql.run_log_value(status),
        'command': foresql.run_log_value(flags.WHICH),
        'target': foresql.run_log_value(target.name),
        'selection': foresql.run_log_value(foresql.run_log_selection()),
        'trigger': foresql.run_log_value('schedule' if schedule else 'dbt'),
        'schedule': foresql.run_log_value(schedule or none),
        'attempt': foresql.run_log_value(attempt if schedule else none),
    }) %}
    {{ return(row) }}
{%- endmacro %}
