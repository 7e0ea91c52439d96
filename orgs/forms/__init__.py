"""What people type on the pages of orgs, split by noun. The actions judge what it means."""
