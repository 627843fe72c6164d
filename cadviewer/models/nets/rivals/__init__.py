"""The networks that Hybrid-MT-ESTAN is compared with (arXiv 2308.02101, Table 2), and two baselines of ours.

Those called "-like" are built after the published abstracts alone: their papers were not read, and what is assumed is
listed in each file.
"""
