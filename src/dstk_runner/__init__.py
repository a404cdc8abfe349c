"""dstk: from nothing to running, secured Jupyter notebooks on AWS EC2, and back to nothing."""
