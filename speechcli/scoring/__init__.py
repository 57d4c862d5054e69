"""How far a transcript is from the truth, by the field's own libraries; ours is the joining."""
