"""Plans that put models into warehouses: ordered scripts, and what runs them."""
