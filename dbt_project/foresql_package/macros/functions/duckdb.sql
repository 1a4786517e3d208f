{# dbt's `functions:` in DuckDB, which dbt-duckdb leaves out: each becomes a macro of the database
   file, so every client of the file can call it. dbt finds these macros where the project says

     dispatch:
       - macro_namespace: dbt
         search_order: [<the project>, foresql, dbt]

   A macro is put into the query that calls it, so it is as volatile as what it calls. #}
{% macro duckdb__scalar_function_sql(target_relation) -%}
    {% set arguments = [] %}
    {% for argument in model.arguments %}
        {% set default = argument.get('default_value') %}
        {% do arguments.append(
            foresql.identifier(argument.name) ~ ' ' ~ argument.data_type
            ~ ('' if default is none else ' := ' ~ default)
        ) %}
    {% endfor %}
create or replace function {{ target_relation.render() }}({{ arguments | join(', ') }}) as cast((
    {{ model.compiled_code | trim }}
) as {{ model.returns.data_type }})
{%- endmacro %}

{% macro duckdb__aggregate_function_sql(target_relation) -%}
    {{ return(foresql.duckdb__scalar_function_sql(target_relation)) }}
{%- endmacro %}

{% macro duckdb__scalar_function_python(target_relation) -%}
    {% do exceptions.raise_compiler_error(
        'The function ' ~ model.name ~ ' is Python, and DuckDB keeps no Python in a database.\n'
        ~ '  What to do: write it in SQL; or, where it is a fitted model, publish it and call '
        ~ "foresql.predict('" ~ model.name ~ "@champion', 'f'); or register it in a plugin of "
        ~ 'dbt-duckdb of your own (configure_connection).'
    ) %}
{%- endmacro %}

{% macro duckdb__aggregate_function_python(target_relation) -%}
    {{ return(foresql.duckdb__scalar_function_python(target_relation)) }}
{%- endmacro %}
