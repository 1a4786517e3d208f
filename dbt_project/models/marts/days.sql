-- Metrics that are summed by day, week or month are joined to these days.
select cast(date_day as date) as date_day
from (
    {{ dbt.date_spine('day', "cast('2013-01-01' as date)", "cast('2014-01-01' as date)") }}
) as days
