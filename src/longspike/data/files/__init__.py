"""Files of data sets: their formats, where they are looked for, how they are fetched and cached."""
