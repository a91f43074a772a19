"""What the server tells the page: facts as JSON, values and maps as bytes, colours."""
