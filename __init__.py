"""foresql: a trained model inside the data warehouse, with the library's own answer."""
