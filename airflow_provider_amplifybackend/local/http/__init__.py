"""The HTTP side: the real service's wire format, the control interface, and other AWS services beside them."""
