"""What every experiment shares: settings, victims, searches, tables, figures, the report."""
