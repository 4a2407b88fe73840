"""Magento Open Source and Adobe Commerce over REST V1."""
