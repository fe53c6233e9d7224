"""What the chat costs, side by side with others in the same run: ``python -m bench``, from the checkout.

1. Every run starts a server afresh, on one core, and the load on another. Rounds are interleaved: each server has its
   turn before any has its second, so that a machine that slows down slows all of them.
2. Figures are medians of the rounds, with the least and the most beside them. A failed or faulty run says so in its row.
3. Where the load itself used more than `figures.LOAD_LIMIT` of its core, the server's rate says nothing and is marked;
   the CPU time a delivery costs still compares.
4. All C is compiled at the start. Peers run as Debian ships them, with limits raised in files made for the run.
"""
