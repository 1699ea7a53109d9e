"""What one would build instead, in Django, each as short and as fast as is reasonable."""
