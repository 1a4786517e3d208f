{# No two rows have one key, and no row lacks a part of it. `key` is a column or a list of columns;
   a model that foresql.scored makes knows its own. #}
{% test unique_key(model, key=none) %}
{% set keys = foresql.key_columns(foresql.tested_argument(key, 'key', 'unique_key')) %}
{% if execute %}
{% set columns = foresql.column_names(keys) %}
select
    counted.*,
    case
        when {% for column in columns %}counted.{{ column }} is null{{ ' or ' if not loop.last }}{% endfor %}
            then cast(counted.found as varchar) || ' rows lack a part of the key: '
        else cast(counted.found as varchar) || ' rows have one key: '
    end || {{ foresql.key_text('counted', keys) }} as problem
from (
    select {{ columns | join(', ') }}, count(*) as found
    from {{ model }}
    group by {{ columns | join(', ') }}
) as counted
where counted.found > 1
    {%- for column in columns %} or counted.{{ column }} is null{% endfor %}
{% endif %}
{% endtest %}
