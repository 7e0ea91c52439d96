"""What every room stands on: errors, queue, ids, tracing, the tenant base, the pages' shell."""
