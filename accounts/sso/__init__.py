"""Sign-in through an organization's own OpenID Connect provider, on allauth's flow.

`directory` is the seam to the room above, which knows connections and memberships; `discovery` and
`tokens` read what a provider says; `provider`, `adapter` and `views` are allauth's seams;
`linking` decides who a vouched-for person is here; `guard` keeps other doors shut where an
organization demands this one.
"""
