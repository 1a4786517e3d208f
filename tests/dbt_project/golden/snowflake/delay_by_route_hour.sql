select
    airline,
    origin,
    origin_name,
    destination,
    destination_name,
    scheduled_hour,
    count(*) as flights,
    count(is_late) as arrived_flights,
    avg(late_probability) as predicted_late_share,
    avg(cast(cast(is_late as integer) as double precision)) as actual_late_share
from FLIGHTS.DELAYS.scored_flights
group by 1, 2, 3, 4, 5, 6
