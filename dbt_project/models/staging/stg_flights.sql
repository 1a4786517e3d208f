select
    concat(carrier, cast(flight as varchar), '-', {{ hour_text('time_hour') }}) as flight_id,
    {{ date_of_parts('year', 'month', 'day') }} as flight_date,
    time_hour as departure_hour,
    {{ dbt.dateadd('minute', 'minute', 'time_hour') }} as scheduled_departure,
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
from {{ source('raw', 'flights') }}
