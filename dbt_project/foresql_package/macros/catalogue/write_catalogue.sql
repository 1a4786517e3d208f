{# on-run-start: brings foresql.models and foresql.model_columns to what is known of the models now.
   Nothing is written where nothing changed. A run never fails because they cannot be written. #}
{% macro write_catalogue() -%}
    {% if execute and flags.WHICH in ('build', 'run', 'test', 'retry') and foresql.catalogue_columns('models') %}
        {% set statements = adapter.dispatch('catalogue_changes', 'foresql')() %}
        {% if statements %}
            {% set problem = adapter.dispatch('write_run_log', 'foresql')(
                foresql.own_schema_statements() + statements
            ) %}
            {% if problem %}
                {% do log(
                    'Warning: foresql could not write its catalogue: ' ~ foresql.run_log_line(problem)
                    ~ '\n  What to do: ' ~ foresql.catalogue_grants()
                    ~ ' Or keep no catalogue: `sources: {foresql: {foresql: {+enabled: false}}}`.',
                    info=true
                ) %}
            {% endif %}
        {% endif %}
    {% endif %}
{%- endmacro %}

{# The columns of a table of the catalogue, as the package's sources document them, by name; none
   where the sources are disabled. #}
{% macro catalogue_columns(table) -%}
    {% set source = graph.get('sources', {}).get('source.foresql.foresql.' ~ table, {}) %}
    {{ return(source.get('columns', {})) }}
{%- endmacro %}

{# Comments on a table and its columns, which clients show beside them. #}
{% macro catalogue_comments(table) -%}
    {% set relation, statements = foresql.relation(table), [] %}
    {% set source = graph.sources['source.foresql.foresql.' ~ table] %}
    {% set text = foresql.run_log_value(source.description | trim) %}
    {% do statements.append('comment on table ' ~ relation ~ ' is ' ~ text) %}
    {% for name, column in source.columns.items() %}
        {% do statements.append(
            'comment on column ' ~ relation ~ '.' ~ foresql.column(name) ~ ' is '
            ~ foresql.run_log_value(column.description | trim)
        ) %}
    {% endfor %}
    {{ return(statements) }}
{%- endmacro %}

{% macro catalogue_grants() -%}
    {% set models, columns = foresql.relation('models'), foresql.relation('model_columns') %}
    {% if target.type == 'duckdb' %}
        {{ return(adapter.dispatch('run_log_grants', 'foresql')()) }}
    {% endif %}
    {{ return(
        'give the role of this target the rights to create ' ~ models ~ ' and ' ~ columns
        ~ ', and to select, insert and update there.'
    ) }}
{%- endmacro %}


{# The plugin reads the registry, which knows everything. #}
{% macro duckdb__catalogue_changes() -%}
    {% if not foresql.has_registry() %}
        {{ return([]) }}
    {% endif %}
    {% set known = foresql.read_registry() %}
    {% set statements = [] %}
    {% for table in ('models', 'model_columns') %}
        {% set rows, relation = foresql.registry_rows(table), foresql.relation(table) %}
        {% set there = adapter.get_columns_in_relation(relation) %}
        {# A registry that cannot be read now takes nothing from the tables. #}
        {% if not there or (known and foresql.catalogue_differs(relation, rows)) %}
            {% do statements.append('create or replace table ' ~ relation ~ ' as from ' ~ rows) %}
            {% do statements.extend(foresql.catalogue_comments(table)) %}
        {% endif %}
    {% endfor %}
    {% if statements or not foresql.has_lineage_macro() %}
        {% do statements.append(foresql.lineage_macro()) %}
    {% endif %}
    {{ return(statements) }}
{%- endmacro %}

{# Whether the plugin is there, which knows the registry. #}
{% macro has_registry() -%}
    {{ return(run_query(
        "select 1 from duckdb_functions() where function_name = 'foresql_catalogue'"
    ).rows | length > 0) }}
{%- endmacro %}

{# Reads the registry as it is now; says whether it could be read. #}
{% macro read_registry() -%}
    {% call statement('foresql_catalogue_read', auto_begin=false) %}
        create or replace temp table foresql_catalogue_read as select foresql_catalogue('') as found
    {% endcall %}
    {{ return(run_query('select found is not null from foresql_catalogue_read').rows[0][0]) }}
{%- endmacro %}

{# What was read, as the rows of a table of the catalogue. #}
{% macro registry_rows(table) -%}
    {{ return('(select unnest(found.' ~ table ~ ', max_depth := 2) from foresql_catalogue_read)') }}
{%- endmacro %}

{# As JSON a row names its columns, so that a table of another release differs too. #}
{% macro catalogue_differs(relation, rows) -%}
    {% set texts = 'select list(to_json(t)::varchar order by to_json(t)::varchar) from ' %}
    {{ return(run_query(
        'select (' ~ texts ~ relation ~ ' as t) is distinct from (' ~ texts ~ rows ~ ' as t)'
    ).rows[0][0]) }}
{%- endmacro %}


{# Elsewhere rows are added: what answers now is all that can be asked, and versions that answered
   before stay, so that their predictions are still explained. #}
{% macro default__catalogue_changes() -%}
    {% set statements, found = [], foresql.own_columns(['models', 'model_columns']) %}
    {% set answering = foresql.answering_models() %}
    {% for table, there in found.items() %}
        {% set columns = {} %}
        {% for name, column in foresql.catalogue_columns(table).items() %}
            {% do columns.update({
                name: foresql.timestamp_type() if column.data_type == 'timestamp' else column.data_type
            }) %}
        {% endfor %}
        {% do statements.extend(foresql.own_table_statements(table, columns, there)) %}
        {% if not there %}
            {% do statements.extend(foresql.catalogue_comments(table)) %}
        {% endif %}
        {% do statements.extend(foresql.catalogue_additions(table, there | length > 0, answering)) %}
    {% endfor %}
    {{ return(statements) }}
{%- endmacro %}

{# Rows of versions that the table lacks, and the aliases by which versions answer now. #}
{% macro catalogue_additions(table, is_there, answering) -%}
    {% set statements, stored = [], {} %}
    {% if is_there %}
        {% set aliases = foresql.column('aliases') if table == 'models' else "''" %}
        {% for row in run_query(
            'select distinct ' ~ foresql.column('reference') ~ ', ' ~ aliases ~ ' from '
            ~ foresql.relation(table)
        ).rows %}
            {% do stored.update({row[0]: row[1]}) %}
        {% endfor %}
    {% endif %}
    {% for found in answering.values() %}
        {% if found.reference not in stored %}
            {% for row in ([found.row] if table == 'models' else found.columns) %}
                {% set values = {} %}
                {% for name, value in row.items() %}
                    {% set text = foresql.run_log_value(value) %}
                    {% do values.update({
                        name: 'cast(' ~ text ~ ' as ' ~ foresql.timestamp_type() ~ ')'
                        if name == 'created_at' else text
                    }) %}
                {% endfor %}
                {# Of two runs that start together, both found it missing. #}
                {% do statements.append(foresql.run_log_insert(
                    table, values,
                    unless=['reference'] if table == 'models' else ['reference', 'position']
                )) %}
            {% endfor %}
        {% elif table == 'models' and stored[found.reference] != found.row.aliases %}
            {% do statements.append(foresql.run_log_update(
                table, {'aliases': foresql.run_log_value(found.row.aliases)},
                foresql.column('reference') ~ ' = ' ~ foresql.run_log_value(found.reference)
            )) %}
        {% endif %}
    {% endfor %}
    {% if table == 'models' %}
        {% for reference in stored if stored[reference] and reference not in answering %}
            {% do statements.append(foresql.run_log_update(
                table, {'aliases': "''"},
                foresql.column('reference') ~ ' = ' ~ foresql.run_log_value(reference)
            )) %}
        {% endfor %}
    {% endif %}
    {{ return(statements) }}
{%- endmacro %}
