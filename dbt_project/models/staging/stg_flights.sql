select
    concat(carrier, flight, '-', strftime(time_hour, '%Y-%m-%dT%H')) as flight_id,
    make_date("year", "month", "day") as flight_date,
    time_hour as departure_hour,
    time_hour + to_minutes("minute") as scheduled_departure,
    "hour",
    "minute",
    carrier,
    flight as flight_number,
    tailnum,
    origin,
    dest,
    distance,
    dep_delay as departure_delay,
    arr_delay as arrival_delay,
    dep_delay is null as is_cancelled
from {{ source('raw', 'flights') }}
