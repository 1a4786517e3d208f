{# The versions that answer in this database now, by 'delay:3': `row` and `columns` are rows of the
   catalogue's tables. #}
{% macro answering_models() -%}
    {{ return(adapter.dispatch('answering_models', 'foresql')()) }}
{%- endmacro %}

{# SQL is inlined from macros/foresql_models.sql, so that is what answers. #}
{% macro default__answering_models() -%}
    {% set found = {} %}
    {% for reference, known in foresql.known_models().items() %}
        {% set name, alias = foresql.reference_parts(reference) %}
        {% do foresql.add_answering(found, name, alias, known.version, {'sha256': known.sha256}) %}
    {% endfor %}
    {{ return(found) }}
{%- endmacro %}

{# What is deployed answers, and its own catalogue says so. #}
{% macro snowflake__answering_models() -%}
    {% set found = {} %}
    {% set database = var('foresql_database', 'FORESQL') %}
    {% set there = run_query(
        'select count(*) from ' ~ foresql.relation('models').information_schema('databases')
        ~ ' where database_name = ' ~ foresql.literal(database)
    ) %}
    {% if not there.rows[0][0] %}
        {{ return(found) }}
    {% endif %}
    {% set there = run_query(
        'select count(*) from ' ~ foresql.identifier(database) ~ '.INFORMATION_SCHEMA.VIEWS where '
        ~ 'table_schema = ' ~ foresql.literal(var('foresql_serving', 'SERVING'))
        ~ " and table_name = 'MODEL_CATALOG'"
    ) %}
    {% if not there.rows[0][0] %}
        {{ return(found) }}
    {% endif %}
    {% for row in run_query(
        'select "MODEL", "ALIAS", "VERSION", "BUNDLE_SHA256", "CERTIFIED_ROWS", '
        ~ '"LARGEST_DIFFERENCE", "CERTIFIED_ROUTES" from '
        ~ foresql.identifier(database) ~ '.' ~ foresql.identifier(var('foresql_serving', 'SERVING'))
        ~ '."MODEL_CATALOG"'
    ).rows %}
        {% do foresql.add_answering(found, row[0], row[1], row[2] | int, {
            'sha256': row[3], 'certified_rows': row[4], 'largest_difference': row[5],
            'certified_routes': row[6],
        }) %}
    {% endfor %}
    {{ return(found) }}
{%- endmacro %}

{# What macros/foresql_models.sql says of a version, besides what calls need. #}
{% macro known_facts(reference) -%}
    {% if foresql_facts is defined %}
        {{ return(foresql_facts().get(reference, {})) }}
    {% endif %}
    {{ return({}) }}
{%- endmacro %}

{# Adds a version, or another alias of it; what macros/foresql_models.sql says of the version, too. #}
{% macro add_answering(found, name, alias, version, facts) -%}
    {% set reference = name ~ ':' ~ version %}
    {% if reference in found %}
        {% set aliases = found[reference].row.aliases.split(', ') + [alias] %}
        {% do found[reference].row.update({'aliases': aliases | unique | sort | join(', ')}) %}
        {{ return('') }}
    {% endif %}
    {% set key = {'model_name': name, 'model_version': version, 'reference': reference} %}
    {% set row, columns = {}, [] %}
    {% set known = foresql.known_facts(reference) %}
    {% if known.get('row', {}).get('sha256') == facts.sha256 %}
        {% do row.update(known.row) %}
        {% do columns.extend(known.columns) %}
    {% endif %}
    {% do row.update(key) %}
    {% do row.update(facts) %}
    {% do row.update({'aliases': alias or ''}) %}
    {% do found.update({reference: {'reference': reference, 'row': row, 'columns': columns}}) %}
{%- endmacro %}
