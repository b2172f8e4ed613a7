"""NanoGrid on AWS: the stack, the Lambdas in front of it, and the commands that look after it."""
