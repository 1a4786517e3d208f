{# on-run-end: says how many rows each prediction table had scored, and completes the run log. #}
{% macro end_run() -%}
    {% if foresql.logs_runs() %}
        {% set tables, failed = [], [] %}
        {% for result in results %}
            {% if result.status in ('error', 'fail', 'runtime error', 'partial success') %}
                {% do failed.append(result) %}
            {% endif %}
            {% set about = (result.node.config.get('meta') or {}).get('foresql') %}
            {% if about is mapping and about.scored %}
                {% do tables.append(foresql.scored_table(result, about)) %}
            {% endif %}
        {% endfor %}
        {% do foresql.report_scored_rows(tables) %}
        {% do foresql.write_run_log(foresql.end_run_statements(tables, failed)) %}
    {% endif %}
{%- endmacro %}

{% macro report_scored_rows(tables) -%}
    {% for table in tables if table.status == 'success' and table.rows_scored is not none %}
        {% do log('%s: scored %s of %s rows' | format(
            table.name, '{:,}'.format(table.rows_scored), '{:,}'.format(table.rows_total)
        ), info=true) %}
    {% endfor %}
{%- endmacro %}

{# How many rows of a table carry this run's id, how many there are, and which version answered. An
   adapter says how many rows its last statement wrote, or nothing: so they are counted. #}
{% macro count_scored(result) -%}
    {% set node = result.node %}
    {% set path = [node.database, node.schema, node.alias] %}
    {% set is_there = result.status == 'success' or adapter.get_relation(*path)
        or adapter.get_relation(*(path | map('upper'))) %}
    {% if not is_there %}
        {{ return([0, 0, none]) }}
    {% endif %}
    {% set table = node.relation_name %}
    {% set columns = run_query('select * from ' ~ table ~ ' limit 0').column_names %}
    {% set columns = columns | map('lower') | list %}
    {% if 'run_id' not in columns or 'model_version' not in columns %}
        {{ return([none, none, none]) }}
    {% endif %}
    {% set mine = 'case when run_id = ' ~ foresql.run_log_value(invocation_id) %}
    {{ return(run_query(
        'select count(' ~ mine ~ ' then 1 end), count(*), coalesce(max(' ~ mine
        ~ ' then model_version end), max(model_version)) from ' ~ table
    ).rows[0]) }}
{%- endmacro %}

{# What a run did to a prediction table. #}
{% macro scored_table(result, about) -%}
    {% set node, counted = result.node, foresql.count_scored(result) %}
    {% set numbers = [] %}
    {% for number in counted %}
        {% do numbers.append(none if number is none else number | int) %}
    {% endfor %}
    {{ return({
        'name': node.name,
        'node': node.unique_id,
        'relation': node.relation_name,
        'reference': about.reference,
        'model_name': (about.reference or '').split('@')[0].split(':')[0],
        'rows_scored': numbers[0],
        'rows_total': numbers[1],
        'model_version': numbers[2],
        'seconds': result.execution_time,
        'status': result.status | string,
        'message': none if result.status == 'success' else foresql.run_log_line(result.message),
    }) }}
{%- endmacro %}

{% macro end_run_statements(tables, failed) -%}
    {% set statements, versions = foresql.run_log_migration(), [] %}
    {% set scored = namespace(rows=0) %}
    {% for table in tables %}
        {% set values = {'run_id': foresql.run_log_value(invocation_id)} %}
        {% for name in foresql.run_log_columns()['run_tables'] if name != 'run_id' %}
            {% do values.update({name: foresql.run_log_value(table[name])}) %}
        {% endfor %}
        {% do statements.append(foresql.run_log_insert('run_tables', values)) %}
        {% set scored.rows = scored.rows + (table.rows_scored or 0) %}
        {% if table.model_version is not none %}
            {% do versions.append(table.model_name ~ ':' ~ table.model_version) %}
        {% endif %}
    {% endfor %}
    {% set now = modules.datetime.datetime.now(modules.pytz.utc) %}
    {% set unbuilt = not results and flags.SKIP_NODES_IF_ON_RUN_START_FAILS %}
    {% set row = foresql.run_log_row('error' if failed or unbuilt else 'success') %}
    {% do row.update({
        'finished_at': foresql.run_log_time(now),
        'seconds': foresql.run_log_value((now - run_started_at).total_seconds()),
        'rows_scored': foresql.run_log_value(scored.rows),
        'versions': foresql.run_log_value(versions | unique | sort | join(', ') or none),
        'nodes_failed': foresql.run_log_value(failed | length),
        'message': foresql.run_log_value(
            foresql.run_log_line(failed[0].message) if failed
            else 'Nothing was built: a hook of on-run-start failed.' if unbuilt else none
        ),
    }) %}
    {# A run whose start could not be written gets its row here. #}
    {% do statements.append(foresql.run_log_update(
        'runs', row, foresql.column('run_id') ~ ' = ' ~ row['run_id']
    )) %}
    {% do statements.append(foresql.run_log_insert('runs', row, unless=['run_id'])) %}
    {{ return(statements) }}
{%- endmacro %}
