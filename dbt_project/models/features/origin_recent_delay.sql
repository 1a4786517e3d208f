-- Departures are counted in the hour in which they really left. Hours that are over
-- before the departure hour begins are the only ones that a flight of that hour sees.
with departed as (
    select
        origin,
        date_trunc('hour', scheduled_departure + to_minutes(departure_delay)) as departed_hour,
        sum(departure_delay) as minutes_late,
        count(*) as departures
    from {{ ref('stg_flights') }}
    where departure_delay is not null
    group by all
),

seen_from as (
    select
        *,
        unnest([1, 2, 3]) as hours_later
    from departed
)

select
    origin,
    departed_hour + to_hours(hours_later) as departure_hour,
    -- Sums of integers are exact, so a rebuild gives the same double and the same hash.
    sum(minutes_late)::double / sum(departures)::double as minutes_late
from seen_from
group by all
