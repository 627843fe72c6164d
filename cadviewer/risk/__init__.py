"""Published rules for pulmonary nodules, as pure code: Lung-RADS v2022, Fleischner 2017, Brock (PanCan), growth.

No rule assumes anything: what it needs and was not told is in `Assessment.missing`, and then there is no category.
Every answer carries the rule's name, version and source.
"""
