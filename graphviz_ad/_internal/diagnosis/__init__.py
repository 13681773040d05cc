"""What is wrong with a training program, found without a question, and told by recorded facts."""
