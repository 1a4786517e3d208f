select
    carrier,
    name as airline_name
from FLIGHTS.raw.airlines
