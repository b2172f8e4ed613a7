"""The AWS form as a model: the queue, the alarms and the Auto Scaling group, moved by discrete events."""
