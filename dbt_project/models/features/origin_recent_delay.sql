-- Departures are counted in the hour in which they really left. Hours that are over
-- before the departure hour begins are the only ones that a flight of that hour sees.
with departed as (
    select
        origin,
        date_trunc('hour', {{ dbt.dateadd('minute', 'departure_delay', 'scheduled_departure') }}) as departed_hour,
        sum(departure_delay) as minutes_late,
        count(*) as departures
    from {{ ref('stg_flights') }}
    where departure_delay is not null
    group by 1, 2
),

seen_from as (
    select
        departed.*,
        later.hours_later
    from departed
    cross join (select 1 as hours_later union all select 2 union all select 3) as later
)

select
    origin,
    {{ dbt.dateadd('hour', 'hours_later', 'departed_hour') }} as departure_hour,
    -- Sums of integers are exact, so a rebuild gives the same double and the same hash.
    cast(sum(minutes_late) as double precision)
        / cast(sum(departures) as double precision) as minutes_late
from seen_from
group by 1, 2
