"""How batches come: the window, the stream to the coordinator, the fetches, the assembly.

Threads and gRPC live here. What a trainer calls lives above, in the package itself; nothing here is public.
"""
