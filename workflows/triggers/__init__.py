"""What starts runs by itself: times, calls from outside, ends of other runs."""
