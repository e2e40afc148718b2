"""Text of documents: PDF, Office, HTML, e-mail, CSV and archives of these, read in a process of its own."""
