{# Each prediction that is there lies between `min` and `max`, both included; NaN lies nowhere. #}
{% test prediction_range(model, column_name, min=0, max=1) %}
{% set value = foresql.column(column_name) if execute else column_name %}
select
    {{ value }} as prediction,
    {{ foresql.literal(column_name ~ ' is ') }} || cast({{ value }} as varchar)
        || {{ foresql.literal(', and not between ' ~ min ~ ' and ' ~ max) }} as problem
from {{ model }}
where {{ value }} is not null
    and not (
        cast({{ value }} as double precision) >= {{ min }}
        and cast({{ value }} as double precision) <= {{ max }}
    )
{% endtest %}
