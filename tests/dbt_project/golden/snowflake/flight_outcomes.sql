select
    flight_id,
    is_cancelled,
    arrival_delay,
    arrival_delay > 15 as is_late
from FLIGHTS.DELAYS.stg_flights
