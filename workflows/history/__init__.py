"""What runs leave behind: statistics, searchable values, timelines, comparisons, log lines."""
