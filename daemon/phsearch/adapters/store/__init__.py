"""The durable store: LanceDB tables of photos, failures and volumes. The only package that imports lancedb."""
