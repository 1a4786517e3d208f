{# Two runs at a time would both insert the same new keys: in Postgres the second one waits for the
   first one's end, and sees then what is left. A DuckDB file has one process that writes. #}
{% macro lock_stored() -%}
    {% if execute and target.type == 'postgres' and is_incremental() -%}
    lock table {{ this }} in share row exclusive mode
    {%- endif %}
{%- endmacro %}

{# A key that left the features leaves the predictions too: an incremental table keeps it. #}
{% macro delete_gone_keys(features, keys, hash) -%}
    {# With --empty and --sample the features are a part of theirs: nothing is known to be gone. #}
    {% if execute and not flags.EMPTY and not invocation_args_dict.get('sample') and not should_full_refresh() -%}
    {{ return(adapter.dispatch('delete_gone_keys', 'foresql')(features, keys, hash)) }}
    {%- endif %}
{%- endmacro %}

{# Most runs find none: DuckDB then compares two sums, and joins nothing. All of it is in the
   transaction that scored, so a row that is refused here undoes what that did. #}
{% macro duckdb__delete_gone_keys(features, keys, hash) -%}
    {% if not foresql.keys_agree(features, keys) %}
        {% if var('foresql_check_keys', true) %}
            {% do foresql.refuse_unclear_rows(features, keys, hash) %}
        {% endif %}
        {{ return(foresql.default__delete_gone_keys(features, keys, hash)) }}
    {% endif %}
{%- endmacro %}

{% macro default__delete_gone_keys(features, keys, hash) -%}
    delete from {{ this }}
    where not exists (
        select 1
        from (
            select
                {%- for name in keys %}
                {{ foresql.column(name) }} as foresql_key_{{ loop.index }}{{ ',' if not loop.last }}
                {%- endfor %}
            from {{ features }}
        ) as present
        where {% for name in keys -%}
            present.foresql_key_{{ loop.index }} = {{ foresql.column(name) }}
            {%- if not loop.last %} and {% endif %}
        {%- endfor %}
    )
{%- endmacro %}

{# Whether the rows that were just scored have a key each of their own, and a hash, and the tables
   the same keys: as many, with the same sum of their hashes. #}
{% macro keys_agree(features, keys) -%}
    {% set columns = foresql.column_names(keys) %}
    {% set listed = columns | join(', ') %}
    {% set sums = 'select (count(*), sum(hash(' ~ listed ~ '))) as of_keys from ' %}
    {{ return(run_query(
        'select of_features.of_keys is not distinct from of_stored.of_keys and not exists ('
        ~ 'select 1 from ' ~ this ~ ' where run_id = ' ~ foresql.literal(invocation_id)
        ~ foresql.unclear_keys(columns, 'features_hash') ~ ')'
        ~ ' from (' ~ sums ~ features ~ ') as of_features cross join ('
        ~ sums ~ this ~ ') as of_stored'
    ).rows[0][0]) }}
{%- endmacro %}

{# GROUP BY a key, for what it does not tell apart, or what lacks a part of it or a hash. #}
{% macro unclear_keys(columns, hash) -%}
    {{ return(
        ' group by ' ~ columns | join(', ') ~ ' having count(*) > 1 or count(' ~ hash ~ ') = 0 or '
        ~ columns | join(' is null or ') ~ ' is null'
    ) }}
{%- endmacro %}


{# Two rows of one key would take each other's place, run by run; a row without a key can be neither
   found nor deleted, and one without a hash never be seen to change. All three end the run before
   the table is touched. `vars: {foresql_check_keys: false}` leaves that to tests of the features. #}
{% macro check_features(reference, features, keys, hash) -%}
    {% do foresql.check_last_ref(features) %}
    {% if features.is_cte and model.resource_type == 'model' %}
        {% do exceptions.raise_compiler_error(
            model.name ~ ' scores ' ~ features ~ ', which is ephemeral.\n  What to do: materialize '
            ~ 'it as a table or a view, since predictions are compared with it again later.'
        ) %}
    {% endif %}
    {% if flags.WHICH not in ('build', 'run', 'retry') or model.resource_type != 'model'
        or flags.EMPTY or not var('foresql_check_keys', true) %}
        {{ return('') }}
    {% endif %}
    {# There the hook that deletes gone keys looks at those that were scored: not at all rows. #}
    {% if target.type != 'duckdb' or not is_incremental() %}
        {% do foresql.refuse_unclear_rows(features, keys, hash) %}
    {% endif %}
{%- endmacro %}

{# The hook that deletes gone keys was written while dbt parsed, for the last ref() of the model. #}
{% macro check_last_ref(features) -%}
    {% set hooked = foresql.parsed_features().relation if model.resource_type == 'model' else features %}
    {% if features is not string and (hooked.schema, hooked.identifier) != (features.schema, features.identifier) %}
        {% do exceptions.raise_compiler_error(
            model.name ~ ' scores ' ~ features ~ ', and its last ref() is ' ~ hooked ~ ', by whose keys '
            ~ 'predictions would be deleted.\n  What to do: write the ref() of the features into the call '
            ~ 'of foresql.scored, and every other one before it.'
        ) %}
    {% endif %}
{%- endmacro %}

{% macro refuse_unclear_rows(features, keys, hash) -%}
    {% set columns, hashed = foresql.column_names(keys), foresql.column(hash) %}
    {% set found = run_query(
        'select ' ~ columns | join(', ') ~ ', count(*) as foresql_rows, count(' ~ hashed
        ~ ') as foresql_hashes from ' ~ features ~ foresql.unclear_keys(columns, hashed) ~ ' limit 5'
    ) %}
    {% if found and found.rows | length %}
        {% do foresql.refuse_rows(features, keys, hash, found.rows) %}
    {% endif %}
{%- endmacro %}

{% macro refuse_rows(features, keys, hash, rows) -%}
    {% set shown = [] %}
    {% for row in rows %}
        {% set values = [] %}
        {% for name in keys %}
            {% set value = row[loop.index0] %}
            {% do values.append(name ~ ' = ' ~ ('NULL' if value is none else value)) %}
        {% endfor %}
        {% set count, hashes = row[keys | length] | int, row[keys | length + 1] | int %}
        {% do shown.append(
            values | join(', ') ~ ' (' ~ count ~ (' row' if count == 1 else ' rows')
            ~ (', ' ~ hash ~ ' is NULL)' if hashes < count else ')')
        ) %}
    {% endfor %}
    {% do exceptions.raise_compiler_error(
        features ~ ' has rows that ' ~ keys | join(', ') ~ ' does not tell apart, or without a key or '
        ~ hash ~ ': ' ~ shown | join('; ') ~ '. ' ~ this ~ ' is as it was.\n  What to do: correct the '
        ~ 'features (test the key by unique and not_null), or name more columns: key=[…].'
    ) %}
{%- endmacro %}
