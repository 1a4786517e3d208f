select
    concat(carrier, cast(flight as varchar), '-', to_char(time_hour, 'YYYY-MM-DD"T"HH24')) as flight_id,
    date_from_parts(year, month, day) as flight_date,
    time_hour as departure_hour,


    dateadd(
        minute,
        minute,
        time_hour
        )

 as scheduled_departure,
    hour,
    minute,
    carrier,
    flight as flight_number,
    tailnum,
    origin,
    dest,
    distance,
    dep_delay as departure_delay,
    arr_delay as arrival_delay,
    dep_delay is null as is_cancelled
from FLIGHTS.raw.flights
